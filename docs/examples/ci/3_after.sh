countenance run after.yaml  # exit 1
countenance gate runs/after  # exit 1
