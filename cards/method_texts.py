"""How intervals and p-values of forgeries and backdoors were made, in words."""

from __future__ import annotations

from collections.abc import Mapping

THREAT_METHODS: Mapping[str, str] = {
    "cluster_influence_logit": "the people's influence on the logit scale",
    "cluster_influence_wilson": "Wilson score interval with the people's influence",
    "cluster_influence_t": "t interval of the people's influence",
    "people_influence_bonferroni": "t limits of the people's influence, for all patterns together",
    "rank_among_marks": "rank among random marks, over all triggers and classes",
    "jackknife_people_logit": "each person left out in turn, on the logit scale",
    "clopper_pearson_pairs": "Clopper-Pearson limits of the people, where scores part the kinds wholly",
    "people_drawn_anew_percentile": "percentiles over people drawn anew",
    "student_t_prediction": "t interval of one more net",
    "student_t_bonferroni": "Student's t beside the reference nets, times the number of questions (Bonferroni)",
    "bonferroni": "times the number of questions (Bonferroni)",
    "rank": "rank among all nets",
    "by_bayes": "Bayes' rule at the assumed share",
    "definition": "by definition",
    "mean": "mean",
}
"""By the name that estimates have in results."""
