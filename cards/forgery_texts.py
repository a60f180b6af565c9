"""Titles and meanings of what probes of forged faces measure."""

from __future__ import annotations

from collections.abc import Mapping

_EXPRESSIONS_FORGED: Mapping[str, str] = {
    "made_face_swap_poisson": "another person's face (made here)",
    "made_face_swap_feather": "another person's face, feathered (made here)",
    "made_morph": "morph with another person (made here)",
    "made_mouth_splice": "mouth of another photo (made here)",
    "made_eyes_splice": "eyes of another photo (made here)",
    "own_face_swap_poisson": "control: another person's face of the same expression",
    "own_face_swap_feather": "control: another person's face of the same expression, feathered",
    "own_morph": "control: morph with another person of the same expression",
    "own_mouth_splice": "control: another mouth of the same expression",
    "own_eyes_splice": "control: other eyes of the same expression",
    "resaved": "genuine photo, saved once more",
}
_MADE: Mapping[str, str] = {
    "untouched": "control: saved the same way, not forged",
    "self_blend": "self-blend",
    "self_blend_easy": "easy self-blend",
    "face_swap_feather": "face swap, feathered",
    "face_swap_poisson": "face swap, Poisson",
    "morph": "morph of two people",
    "mouth_splice": "mouth of another photo",
    "eyes_splice": "eyes of another photo",
}
"""Of forgeries made here, and of forgeries of the data that have the same names in the manifest."""
FORGERY_CONDITION_NAMES: Mapping[str, Mapping[str, str]] = {"forgery": {**_EXPRESSIONS_FORGED, **_MADE}}
"""What is done to faces, by kind and name, where the name with spaces for underscores would not do."""

_LOCALISATION: Mapping[str, tuple[str, str]] = {
    "mask_iou": ("overlap with the change", "IoU of a heatmap, at Otsu's threshold, with the region that was changed"),
    "mask_iou_at_area": (
        "overlap at equal area",
        "the same with as many of the heatmap's brightest pixels as were changed",
    ),
    "pixel_auroc": (
        "pixel AUROC",
        "probability that a changed pixel is brighter in the heatmap than one that was not changed",
    ),
    "mask_energy": ("heatmap in the change", "share of the heatmap's sum that lies where the face was changed"),
    "mask_iou.null_ones": ("overlap of all-ones", "the share of the crop that was changed: what a white map scores"),
    "mask_iou.null_centre": ("overlap of a spot in the middle", "what a Gaussian spot in the middle scores"),
    "mask_iou.null_other_masks": ("overlap with others' changes", "IoU with what was changed in other people's faces"),
    "mask_iou.null_genuine": (
        "overlap of the genuine photo's map",
        "what the same detector's map of a genuine photo scores",
    ),
    "mask_iou.over_ones": ("overlap beyond all-ones", "overlap less that of a map that is white everywhere"),
    "mask_iou.over_centre": ("overlap beyond a spot", "overlap less that of a spot in the middle"),
    "mask_iou.over_other_masks": ("overlap beyond others' changes", "overlap less that with other people's changes"),
    "mask_iou.over_genuine": ("overlap beyond the genuine photo's map", "overlap less that of a genuine photo's map"),
    "mask_iou_at_area.null_centre": (
        "a spot at equal area",
        "what the middle of the crop scores, as large as the change",
    ),
    "mask_iou_at_area.null_genuine": ("the genuine photo's map at equal area", "what a genuine photo's map scores"),
    "mask_iou_at_area.over_centre": ("beyond a spot at equal area", "overlap at equal area less that of a spot"),
    "mask_iou_at_area.over_genuine": ("beyond the genuine photo's map at equal area", "less that of its map"),
    "pixel_auroc.null_centre": ("pixel AUROC of a spot", "what a Gaussian spot in the middle of the crop scores"),
    "pixel_auroc.null_other_masks": (
        "pixel AUROC for others' changes",
        "with what was changed in other people's faces",
    ),
    "pixel_auroc.null_genuine": ("pixel AUROC of the genuine photo's map", "what a genuine photo's map scores"),
    "pixel_auroc.over_centre": ("pixel AUROC beyond a spot", "pixel AUROC less that of a spot in the middle"),
    "pixel_auroc.over_other_masks": ("pixel AUROC beyond others' changes", "less that for other people's changes"),
    "pixel_auroc.over_genuine": ("pixel AUROC beyond the genuine photo's map", "less that of a genuine photo's map"),
    "mask_energy.null_ones": ("all-ones in the change", "the share of the crop that was changed"),
    "mask_energy.null_genuine": (
        "the genuine photo's map in the change",
        "share of a genuine photo's map that lies there",
    ),
    "mask_energy.over_ones": (
        "heatmap in the change beyond all-ones",
        "share of the heatmap less the share of the crop",
    ),
    "mask_energy.over_genuine": (
        "heatmap in the change beyond the genuine photo's",
        "less that of a genuine photo's map",
    ),
    "blank_map": (
        "blank heatmaps",
        "share of forged faces whose heatmap is the same everywhere; they count as chance in the other scores",
    ),
    "mask_holds_change": (
        "change inside the mask",
        "share of the squared difference from the genuine photo that lies inside the mask: do masks tell the truth",
    ),
    "mask_holds_change.null_share": ("a mask's share of the crop", "what a mask at random would hold of the change"),
    "mask_holds_change.over_share": ("change inside the mask beyond chance", "less the mask's share of the crop"),
}
_DETECTION: Mapping[str, tuple[str, str]] = {
    "eer": ("EER", "equal error rate: share of misses where as many genuine faces are called forged; lower is better"),
    "ap": ("average precision", "mean precision over the forgeries, at the share of forgeries of all labelled faces"),
    "apcer": ("APCER", "share of forgeries that are called genuine at the stated threshold"),
    "bpcer": ("BPCER", "share of genuine faces that are called forged at the stated threshold"),
    "auroc.null": ("AUROC of a score that knows nothing", "0.5, whatever the data"),
    "eer.null": ("EER of a score that knows nothing", "0.5, whatever the data"),
    "ap.null": (
        "average precision of a score that knows nothing",
        "its mean when labels are dealt out at random over these faces: the share of forgeries, and more of few faces",
    ),
    "eer.threshold": ("threshold of the EER", "probability of a forgery at which both errors are equal on these faces"),
    "auroc_lost": ("AUROC lost", "AUROC of the faces as they are less that under the condition"),
    "apcer_rise": ("rise of the APCER", "APCER under the condition less that of the faces as they are"),
    "bpcer_rise": ("rise of the BPCER", "BPCER under the condition less that of the faces as they are"),
}
_MADE_HERE: Mapping[str, tuple[str, str]] = {
    "above_own_photo": (
        "above its own photo",
        "share of forgeries that score above the very photo they were made of, ties counting half; 0.5 at random",
    ),
    "above_own_photo.null": ("above its own photo, at random", "0.5, whatever the data"),
    "moved_by_saving": (
        "moved by saving",
        "mean change of the probability of a forgery when a photo is saved as JPEG and resized as forgeries are",
    ),
}
_EXPRESSIONS: Mapping[str, tuple[str, str]] = {
    "changed.null": (
        "answers changed by the control",
        "share of the same faces with another answer where the control brings in no other expression: forged by the "
        "same steps where one could be made, or else saved once more",
    ),
    "changed.beyond_null": (
        "answers changed beyond the control",
        "share changed by the forgery less that by its control, face by face",
    ),
    "turned": (
        "answers turned",
        "share that becomes the expression of the photo that was brought in, of faces with another answer before",
    ),
    "turned.null": (
        "answers turned by chance",
        "share that would be the donor's expression if donors were exchanged among these forgeries",
    ),
    "turned.beyond_null": ("answers turned beyond chance", "answers turned less those turned by chance, face by face"),
    "turned.control": (
        "answers turned by the control",
        "share that gets that same expression where the control brings in no other expression",
    ),
    "answered": ("share of the answer, forged", "share of the forged faces that get this answer"),
    "answered.null": ("share of the answer, as they are", "share of the same faces that get it as they are"),
}
FORGERY_TEXTS: Mapping[str, tuple[str, str]] = {**_DETECTION, **_LOCALISATION, **_MADE_HERE, **_EXPRESSIONS}
"""Title and meaning by metric."""
