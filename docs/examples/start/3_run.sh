countenance run audit.yaml
