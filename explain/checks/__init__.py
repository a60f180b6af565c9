"""Are the explanations themselves right? Faithfulness, randomisation, stability and agreement of heatmaps."""
