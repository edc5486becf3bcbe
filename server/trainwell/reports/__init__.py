"""What a person sees: pictures of learning curves and of how good a network is."""
