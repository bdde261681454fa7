"""Images of two snapshots of every simulation: recipes, drawing, building, foreign images."""
