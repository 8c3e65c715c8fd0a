"""Many messages -> what a feed says and lacks, in counts and shapes: the data-mapping exercise."""
