countenance compare runs/before runs/after --out comparison.html
