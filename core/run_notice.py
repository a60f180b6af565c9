"""What a run folder says of itself to whoever comes across it: what it holds, who may see it, how long to keep it."""

from __future__ import annotations

NOTICE_FILE = "NOTICE.txt"

NOTICE = """\
This folder holds personal data: an audit of a model that reads faces.

What stands in it
  predictions.parquet, scores.parquet   one row per face: its id, the person, label, attributes, what the model answered
  results.json                          every number, also of very small groups; ids of faces that could not be used
  tables/  artifacts/                   what the probes found; some of it by face, or of very few people; heatmaps and,
                                        where the plan permitted faces, pictures of them
  plan.yaml, log.txt                    paths on the machine that ran the audit; the log may name pictures
  card.yaml                             what the author of the card stated
  report.html, MODEL_CARD.md, card.*    made to be published: no ids, no paths, small groups held back; faces only where
                                        the plan says faces: permitted, and only rows marked may_publish

Sharing
  Give away report.html and the cards, and read them first. Do not publish this folder, nor put it into a repository.
  results.json beside a published report undoes what the report holds back. Whoever must check the audit gets the whole
  folder on the terms on which you got the faces.

Keeping
  Keep it as long as somebody may have to check or repeat the audit, and not longer than the faces themselves may be
  kept. Then delete it with the folder .cache beside it, which holds predictions too.
  Until when, and who answers for it:  (not stated; write it here)

This tells what the folder is. It is no legal advice: what law and the consent of the people ask is for a person to say.
"""
