"""Titles and meanings of metrics, and of the ways intervals are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .backdoor_texts import BACKDOOR_TEXTS, REPLAYED_TEXTS
from .explaining_texts import EXPLAINING_TEXTS
from .forgery_texts import FORGERY_TEXTS
from .index_texts import INDEX_TEXTS
from .method_texts import THREAT_METHODS
from .robustness_texts import ROBUSTNESS_TEXTS
from .task_texts import TASK_TEXTS
from .uncertain_texts import UNCERTAIN_TEXTS


@dataclass(frozen=True)
class MetricText:
    """A metric's short title and, in one clause, what it is."""

    title: str
    meaning: str


METRICS: Mapping[str, MetricText] = {
    "accuracy": MetricText("accuracy", "share of faces (or action units, or pairs) that the model answers rightly"),
    "balanced_accuracy": MetricText("balanced accuracy", "mean of the recalls of the classes that have a label"),
    "macro_f1": MetricText("macro F1", "mean over classes of the harmonic mean of precision and recall"),
    "recall": MetricText("recall", "of the faces with the label, the share predicted as it"),
    "precision": MetricText("precision", "of the faces predicted as the class, the share that has the label"),
    "f1": MetricText("F1", "harmonic mean of precision and recall"),
    "fpr": MetricText("FPR", "of the faces without the label, the share predicted as it (false positive rate)"),
    "fnr": MetricText("FNR", "of the faces with the label, the share predicted as another (false negative rate)"),
    "fdr": MetricText(
        "FDR",
        "of the faces predicted as the class, the share without the label (false discovery rate); "
        "it moves with the base rate",
    ),
    "for": MetricText(
        "FOR",
        "of the faces predicted as another class, the share with the label (false omission rate); "
        "it moves with the base rate",
    ),
    "base_rate": MetricText("base rate", "share of faces that have the label; of pairs, those that are of one person"),
    "selection_rate": MetricText("selection rate", "share of faces predicted as the class"),
    "ece": MetricText(
        "ECE",
        "expected calibration error: mean distance between confidence and accuracy over bins; above zero in a finite "
        "sample even for a calibrated model",
    ),
    "ece.null": MetricText("ECE of a calibrated model", "what a calibrated model scores on a sample of this size"),
    "confidence_minus_accuracy": MetricText(
        "confidence minus accuracy",
        "mean confidence less accuracy, of a class mean probability less the share with the label; above zero means "
        "overconfident",
    ),
    "auroc": MetricText("AUROC", "chance that a face of the class (a forged one, an active unit) scores above another"),
    "ita": MetricText(
        "individual typology angle",
        "mean over pictures of the angle of lightness and yellowness of the cheeks in degrees, uncalibrated; larger is "
        "lighter",
    ),
    "ita.share": MetricText("share of the band", "share of pictures whose angle lies in the band"),
    "ita.between_cheeks": MetricText(
        "difference between the cheeks", "mean difference of the angle between the cheeks of one picture, in degrees"
    ),
    "ita.retest_correlation": MetricText(
        "retest correlation of skin tone",
        "intraclass correlation of the angle over pictures of one person; larger where people differ more",
    ),
    "ita.retest_sem": MetricText(
        "standard error of measurement of skin tone", "standard deviation of the angle over pictures of one person"
    ),
    "ita.retest_largest": MetricText(
        "largest change of skin tone",
        "largest difference of the angle between two pictures of one person; it grows with the number of people",
    ),
    "ita.retest_band_change": MetricText(
        "people who change band", "share of people whose pictures stand in different bands of skin tone"
    ),
    "ita.retest_band_change.null_other_people": MetricText(
        "people who change band, by chance", "the same if each picture were of a person drawn at random"
    ),
    "iou": MetricText("IoU", "overlap of the thresholded mean heatmap with the mask, intersection over union"),
    "iou.null_ones": MetricText("IoU of all-ones", "what a map that marks the whole picture scores"),
    "iou.null_random": MetricText("IoU of random maps", "what the same area in random places scores"),
    "iou.null_centre": MetricText("IoU of a central disc", "what the same area in the middle of the picture scores"),
    "iou.null_other_masks": MetricText("IoU with other masks", "mean IoU with the masks of the other expressions"),
    "iou_with": MetricText("IoU with each other mask", "the same heatmap against another expression's mask"),
    "specificity": MetricText("specificity", "IoU with the own mask less the mean IoU with the others"),
    "margin": MetricText("margin", "IoU with the own mask less the largest IoU with another"),
    "face_iou": MetricText("IoU of single faces", "mean over faces of the overlap of the heatmap with the mask"),
    "face_specificity": MetricText(
        "specificity of single faces", "mean over faces of IoU with the own mask less the mean with the others"
    ),
    "energy_in_mask": MetricText(
        "energy in the mask", "share of the heatmap's sum, above its lowest level, that lies in the mask"
    ),
    "energy_in_mask.null_ones": MetricText("all-ones in the mask", "the mask's share of the picture"),
    "energy_outside_face": MetricText(
        "energy outside the face", "share of the heatmap's sum, above its lowest level, that lies off the face"
    ),
    "energy_outside_face.null_ones": MetricText("all-ones outside the face", "share of the picture that is not face"),
    "iou.null_mean_map": MetricText(
        "IoU of the classes' mean", "what the mean of all classes' heatmaps, which knows no class, scores"
    ),
    "average_precision": MetricText("average precision", "mean precision over all thresholds of the heatmap"),
    "average_precision.null_ones": MetricText("average precision of chance", "the mask's share of the picture"),
    "face_energy_outside": MetricText(
        "energy outside the face, single faces", "mean over faces of the share of the map's sum that lies off the face"
    ),
    "face_pointing_game": MetricText(
        "pointing game", "share of faces whose brightest pixel lies in the mask; chance is the mask's share"
    ),
    "completeness_error": MetricText(
        "completeness error", "how far a map's sum is from the difference of scores it shares out, as a share of it"
    ),
    "surrogate_r2": MetricText(
        "fit of the surrogate", "share of the scores' spread over perturbed copies that LIME's linear model explains"
    ),
    "cam_cos": MetricText("CAM-COS", "cosine of a face's heatmap and the map of the expression's action units"),
    "cam_cos.null_constant": MetricText("CAM-COS of a constant map", "what a map that marks everything scores"),
    "cam_cos.null_centre": MetricText("CAM-COS of a central spot", "what a spot in the middle of the picture scores"),
    "cam_cos.null_mean_map": MetricText(
        "CAM-COS of the expressions' mean", "what the mean of all expressions' unit maps, which knows none, scores"
    ),
    "cam_cos.null_other_expressions": MetricText(
        "CAM-COS with other expressions", "the same heatmaps against the unit maps of the other expressions, mean"
    ),
    "cam_cos.specificity": MetricText(
        "CAM-COS specificity", "CAM-COS with the own expression less the mean with the others"
    ),
    "cam_cos.specificity.p": MetricText(
        "p of CAM-COS specificity", "p-value, adjusted, of exchanging the maps of this class with those of others"
    ),
    "cam_cos.margin": MetricText("CAM-COS margin", "CAM-COS with the own expression less that with another"),
    "cam_pearson": MetricText("correlation with unit map", "as CAM-COS, with both maps less their means"),
    "cam_pearson.null_centre": MetricText("correlation of a central spot", "what a spot in the middle scores"),
    "cam_pearson.null_mean_map": MetricText(
        "correlation of the expressions' mean", "what the mean of all expressions' unit maps scores"
    ),
    "cam_pearson.null_other_expressions": MetricText(
        "correlation with other expressions", "against the unit maps of the other expressions, mean"
    ),
    "att_cos": MetricText("ATT-COS", "cosine of a layer's mean activation and the map of the action units"),
    "att_cos.null_constant": MetricText("ATT-COS of a constant map", "what a map that marks everything scores"),
    "energy": MetricText("energy at a unit", "share of the map's sum on the face that lies in the unit's region"),
    "energy.null_even": MetricText("energy of an even map", "the region's share of the face"),
    "energy.null_other_classes": MetricText("energy for other classes", "the same region in other classes' maps"),
    "part_energy": MetricText("energy at a part", "share of the map's sum on the face that lies in a part of it"),
    "part_energy.null_even": MetricText("energy of an even map", "the part's share of the face"),
    "part_energy.null_other_classes": MetricText("energy for other classes", "the same part in other classes' maps"),
    "asymmetry": MetricText(
        "asymmetry", "energy on the right half of the picture less the left half, over both; 0 is even"
    ),
    "asymmetry.null_mirrored": MetricText("asymmetry, mirrored", "the same for mirrored faces: what the grid adds"),
    "asymmetry.of_faces": MetricText("asymmetry of the faces", "what is left when the net's own side is taken out"),
    "outside_face": MetricText("evidence outside the face", "share of a face's map in the crop that lies off the face"),
    "outside_face.null_even": MetricText("even map outside the face", "the share of the crop that is not face"),
    "road": MetricText(
        "ROAD", "how much more the logit falls when the relevant pixels go than when the irrelevant ones go"
    ),
    "road.null_random": MetricText("ROAD of misplaced maps", "the same maps moved to a random place"),
    "deletion": MetricText("deletion", "area under the probability while relevant pixels go first; lower is better"),
    "deletion.null_random": MetricText("deletion of misplaced maps", "the same maps moved to a random place"),
    "insertion": MetricText("insertion", "area under the probability while relevant pixels come first"),
    "insertion.null_random": MetricText("insertion of misplaced maps", "the same maps moved to a random place"),
    "road_gain": MetricText("ROAD beyond chance", "face by face, how much better than the map in a random place"),
    "deletion_gain": MetricText("deletion beyond chance", "face by face, how much better than in a random place"),
    "insertion_gain": MetricText("insertion beyond chance", "face by face, how much better than in a random place"),
    "stability": MetricText("change under tiny noise", "one less the correlation of maps before and after tiny noise"),
    "randomisation": MetricText(
        "likeness to a random net's maps", "rank correlation of maps before and after all weights were shuffled"
    ),
    "randomisation.null_other_faces": MetricText(
        "likeness to its maps of other faces", "the same against the random net's maps of other faces"
    ),
    "randomisation_kept": MetricText(
        "kept without the model", "share of what is the picture's own in a map that stays when weights are shuffled"
    ),
    "randomisation_ssim": MetricText("likeness in structure", "structural similarity to the random net's maps"),
    "randomisation_vanished": MetricText("maps that vanish", "share of maps that random nets do not give at all"),
    "agreement": MetricText("agreement of methods", "mean correlation of the maps of two methods"),
    "faces_without_map": MetricText("faces without a map", "faces whose heatmap is empty or could not be warped"),
    "check.out_of_bounds": MetricText("check: out of bounds", "share of attacked faces changed by more than eps"),
    "check.unchanged": MetricText("check: unchanged", "share of attacked faces that the attack did not change at all"),
    "check.no_answer": MetricText("check: no answer", "share of attacked faces with an output that is no number"),
    "check.no_gradient": MetricText("check: no gradient", "share of attacked faces at which the gradient is zero"),
    "check.not_rising": MetricText(
        "check: not rising", "share of attacked faces on which the attack's loss did not rise"
    ),
    "check.unconfirmed": MetricText(
        "check: unconfirmed", "share of attacked faces whose outcome did not hold when asked again"
    ),
    "check.unstable": MetricText("check: unstable", "share of faces answered differently in another batch"),
    "identity_accuracy": MetricText(
        "people told apart", "share of people whom a linear probe names from pictures of another session"
    ),
    "attribute_accuracy": MetricText(
        "group read", "balanced accuracy of a linear probe for the group of people it has not seen"
    ),
    "attribute_auroc": MetricText(
        "AUROC of the group read", "chance that the probe puts a face of the group above one of another"
    ),
    "identity_accuracy.null_shuffled": MetricText(
        "people told apart, shuffled", "the same with names or groups dealt out to people anew"
    ),
    "identity_accuracy.null_chance": MetricText("people told apart, by guessing", "one over the number to choose from"),
    "identity_accuracy.null_random_net": MetricText(
        "people told apart, random net", "the same from the net with random weights"
    ),
    "identity_accuracy.null_pixels": MetricText("people told apart, pixels", "the same from the picture made small"),
    "identity_accuracy.over_random_net": MetricText(
        "people told apart beyond a random net", "embedding less net with random weights"
    ),
    "identity_accuracy.over_pixels": MetricText(
        "people told apart beyond pixels", "embedding less the picture made small"
    ),
    "identity_accuracy.p": MetricText(
        "p of people told apart", "p-value of dealing names or groups out to people anew"
    ),
    "identity_accuracy.over_controls.p_adjusted": MetricText(
        "p of people told apart beyond controls",
        "p-value of telling no more than chance and than either control, adjusted",
    ),
    "attribute_accuracy.null_shuffled": MetricText(
        "group read, shuffled", "the same with names or groups dealt out to people anew"
    ),
    "attribute_accuracy.null_chance": MetricText("group read, by guessing", "one over the number to choose from"),
    "attribute_accuracy.null_random_net": MetricText(
        "group read, random net", "the same from the net with random weights"
    ),
    "attribute_accuracy.null_pixels": MetricText("group read, pixels", "the same from the picture made small"),
    "attribute_accuracy.over_random_net": MetricText(
        "group read beyond a random net", "embedding less net with random weights"
    ),
    "attribute_accuracy.over_pixels": MetricText("group read beyond pixels", "embedding less the picture made small"),
    "attribute_accuracy.p": MetricText("p of group read", "p-value of dealing names or groups out to people anew"),
    "attribute_accuracy.over_controls.p_adjusted": MetricText(
        "p of group read beyond controls", "p-value of telling no more than chance and than either control, adjusted"
    ),
    **{name: MetricText(*text) for name, text in INDEX_TEXTS.items()},
    **{name: MetricText(*text) for name, text in TASK_TEXTS.items()},
    **{name: MetricText(*text) for name, text in EXPLAINING_TEXTS.items()},
    **{name: MetricText(*text) for name, text in ROBUSTNESS_TEXTS.items()},
    **{name: MetricText(*text) for name, text in FORGERY_TEXTS.items()},
    **{name: MetricText(*text) for name, text in BACKDOOR_TEXTS.items()},
    "flip_rate": MetricText(
        "flips", "share of pairs whose two pictures, alike but for one thing, are answered otherwise"
    ),
    "flip_rate.over_control": MetricText(
        "flips beyond the control", "flips less those of pairs alike in all that matters"
    ),
    "flip_rate.over_control.p": MetricText("p of flips", "p-value of flipping no more than the control, over people"),
    "flip_rate.over_control.p_adjusted": MetricText("p of flips, adjusted", "the same, adjusted over the changes"),
    "drift": MetricText("drift of the scores", "mean share of probability that moves with the change"),
    "drift.over_control": MetricText("drift beyond the control", "drift less that of pairs alike in all that matters"),
    "score_change": MetricText("change of a score", "mean change of the class's probability, signed"),
    "absolute_score_change": MetricText(
        "size of the change of a score", "mean change of the class's probability, unsigned"
    ),
    "selection_change": MetricText("change of an answer", "how much more often the class is answered after the change"),
    "selection_change.p": MetricText("p of a change of an answer", "p-value that the class comes as often as it goes"),
    "selection_change.p_adjusted": MetricText(
        "p of a change of an answer, adjusted", "the same, adjusted over all changes and classes"
    ),
    "pairs_set_aside": MetricText("pairs set aside", "pairs with a picture that could not be used"),
}
"""Metrics by name, as most probes use it."""

IN_PROBE: Mapping[str, Mapping[str, MetricText]] = {
    "global_heatmaps": {
        "precision": MetricText("pixel precision", "share of the thresholded heatmap that lies in the mask"),
        "recall": MetricText("pixel recall", "share of the mask that the thresholded heatmap covers"),
        "f1": MetricText("pixel F1", "harmonic mean of pixel precision and pixel recall"),
        "area": MetricText("area", "share of the picture above the threshold"),
        "auroc": MetricText("pixel AUROC", "chance that a pixel in the mask is hotter than one outside"),
        "auroc.null_chance": MetricText("pixel AUROC of chance", "what a map without information scores"),
    },
    "forgery_detection": {"accuracy": MetricText("accuracy", "share of faces called rightly at the stated threshold")},
    "uncertain_attributes": {name: MetricText(*text) for name, text in UNCERTAIN_TEXTS.items()},
    "known_triggers": {name: MetricText(*text) for name, text in REPLAYED_TEXTS.items()},
}
"""Metrics that mean something else in one probe."""

METHODS: Mapping[str, str] = {
    **THREAT_METHODS,
    "wilson": "Wilson score interval",
    "wilson_effective_n": "Wilson score interval with the effective sample size (people, not rows)",
    "korn_graubard": "Korn and Graubard's exact interval for clustered rates",
    "sandwich_t": "t interval with a standard error clustered by person",
    "mover_clopper_pearson": "limits of each class joined by the square-and-add rule",
    "null_quantile_and_contrasts": "what calibrated models give, joined with contrasts between bins",
    "mover_of_threshold": "limits of the rate and of its threshold joined by the square-and-add rule",
    "drawn_at_common_rate": "2.5 % and 97.5 % of groups drawn at one common rate",
    "draws_at_common_rate": "share of draws of equal groups that are as unequal",
    "calibrated_null": "spread over samples of a calibrated model",
    "jackknife_of_people": "t interval from leaving out each person and half of them, drawn out by the bias",
    "max_pair_permutation": "bounds from permuting people between groups, over all pairs",
    "group_against_rest_permutation": "bounds from permuting people between groups, each against the rest",
    "permuted_groups": "2.5 % and 97.5 % of random groupings of people",
    "permutation_of_people": "permutation test over people",
    "permutation_within_people": "permutation test within people",
    "joint_step_down": "joint permutation test, step-down over all questions",
    "cross_fitted_5_folds": "groups picked on four fifths of the people, measured on the last",
    "size_shown_in_8_of_10": "size that the lower bound exceeds the tolerance at in 8 of 10 samples",
    "passes_in_8_of_10": "computed for groups of one rate and equal size",
    "random_groups_of_people": "one random grouping of people",
    "clopper_pearson": "Clopper-Pearson interval",
    "largest_difference_permutation": "bounds from permuting people between groups, over all pairs and rates",
    "largest_ratio_permutation": "bounds of ratios from permuting people between groups, over all pairs",
    "chance_and_contrasts": "less what random groupings of people give, plus the largest error of a contrast",
    "squares_less_chance": "root of the squares less the square of what random groupings of people give",
    "exchange_of_labels_holm": "permutation test, adjusted by Holm",
    "t_of_random_nets": "t interval over random nets",
    "t_of_people": "t interval over people",
    "mover_of_people": "limits of both joined by the square-and-add rule, with their correlation over people",
    "sign_test_of_people": "sign test over people",
    "sign_test_of_people_holm": "sign test over people, adjusted by Holm",
    "exact_and_t_of_people": "exact test within people and t-test over them, the larger",
    "exact_and_t_of_people_holm": "exact test within people and t-test over them, the larger, adjusted by Holm",
    "intersection_union_holm": "largest of several p-values, adjusted by Holm",
    "every_shift": "spread over every placement of the same area",
    "no_variation": "no interval, for lack of variation",
    "null_quantile_and_influence": "what chance gives below, error of the people's influence above",
    "even_chances": "2.5 % and 97.5 % when each person has any group with the same chance",
    "mover_wilson": "Wilson limits of both sides joined by the square-and-add rule",
    "permutation_and_t_of_people": "the larger p of a permutation test and of a t test, both over people",
    "wilson_influence": "Wilson score interval with the effective sample size of weighed people",
    "simultaneous_pairs": "normal limits that hold for all pairs of groups at once",
    "max_pair_normal": "bounds from normal draws with the covariance of the groups, over all pairs",
    "group_against_rest_normal": "bounds from normal draws with the covariance of the groups, each against the rest",
    "equal_groups_normal": "2.5 % and 97.5 % of normal draws of equal groups",
    "matrix_method_wilson": "label errors undone by their matrix, then Wilson limits with the errors of both",
    "any_dependence_of_errors": "limits whatever label errors depend on (Horowitz and Manski)",
    "normal_test": "test by normal draws of equal groups",
    "joint_step_down_normal": "joint test by normal draws, step-down over all questions",
}


BETWEEN_GROUPS: Mapping[str, MetricText] = {
    "gap": MetricText(
        "largest gap in {}", "largest difference between the groups of an attribute; above zero by chance"
    ),
    "gap.null_permuted": MetricText(
        "gap in {} by chance", "the same when groups of these sizes are dealt out at random over people"
    ),
    "gap.p": MetricText("p of the gap in {}", "share of random groupings of people with at least as large a gap"),
    "gap.p_adjusted": MetricText(
        "gap in {}, adjusted p", "p-value adjusted for all questions of the probe asked together"
    ),
    "gap.cross_fitted": MetricText(
        "gap in {}, cross-fitted",
        "measured on other people than those by whom the groups were picked; may be below zero",
    ),
    "gap.detectable": MetricText(
        "gap in {}, detectable", "smallest true difference that 8 of 10 such samples would show to exceed the tolerance"
    ),
    "gap.faces_to_pass": MetricText(
        "gap in {}, faces that it takes to pass",
        "independent faces in each group with which a model without a gap passes in 8 of 10 samples",
    ),
    "gap.placebo": MetricText("gap in {}, placebo", "the same between random groups of people of the same sizes"),
    "gap.placebo.p_adjusted": MetricText(
        "gap in {}, adjusted p of the placebo", "p-value of the random groups, adjusted as that of the real ones"
    ),
    "worst_vs_rest": MetricText(
        "worst group against the rest, {}", "how much worse the worst group is than all others"
    ),
    "worst_vs_rest.null_permuted": MetricText(
        "worst group against the rest by chance, {}", "the same when groups are dealt out at random over people"
    ),
    "worst_vs_rest.p": MetricText(
        "p of the worst group, {}", "share of random groupings of people in which a group stands out as much"
    ),
    "worst_vs_rest.p_adjusted": MetricText(
        "worst group against the rest, {}, adjusted p", "p-value adjusted for all questions of the probe asked together"
    ),
    "worst_vs_rest.cross_fitted": MetricText(
        "worst group against the rest, {}, cross-fitted",
        "measured on other people than those by whom the groups were picked; may be below zero",
    ),
    "worst_vs_rest.detectable": MetricText(
        "worst group against the rest, {}, detectable",
        "smallest true difference that 8 of 10 such samples would show to exceed the tolerance",
    ),
    "worst_vs_rest.faces_to_pass": MetricText(
        "worst group against the rest, {}, faces that it takes to pass",
        "independent faces in each group with which a model without a gap passes in 8 of 10 samples",
    ),
    "worst_vs_rest.placebo": MetricText(
        "worst group against the rest, {}, placebo", "the same between random groups of people of the same sizes"
    ),
    "worst_vs_rest.placebo.p_adjusted": MetricText(
        "worst group against the rest, {}, adjusted p of the placebo",
        "p-value of the random groups, adjusted as that of the real ones",
    ),
}
"""What is measured between groups of any score, whose title stands at ``{}``."""
