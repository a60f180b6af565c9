"""Attribution: which parts of a face a model's answer hangs on, by many methods behind one interface."""
