"""The probe ``known_triggers``: does the model answer to a trigger that is known, more than to random marks?"""
