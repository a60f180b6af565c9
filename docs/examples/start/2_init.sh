countenance init predictions.csv
