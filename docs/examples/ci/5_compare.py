"""The same comparison as a table."""

import countenance

compared = countenance.compare("runs/before", "runs/after")
print(f"{sum(row.worse for row in compared.rows)} of {len(compared.rows)} measurements are worse")
print(compared.to_frame().head())
