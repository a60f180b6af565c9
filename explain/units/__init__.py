"""Action units: where they lie on a face, which make an expression, and how near a model's evidence comes to them."""
