"""Mail servers inside the process, correct and bent by data, for people to see what the daemon sees of them."""
