"""Mail servers inside the process, correct ones and faulty ones, to show how the daemon works."""
