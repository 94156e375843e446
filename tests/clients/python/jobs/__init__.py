"""What the workers of job libraries run: every job leaves a mark, so that one lost or run twice is seen."""
