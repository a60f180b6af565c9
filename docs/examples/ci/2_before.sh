countenance run before.yaml
