"""Agency money -> DFT^P03."""
