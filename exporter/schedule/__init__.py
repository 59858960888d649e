"""What is done when: the timetable, the loop around it, who is visited, and what the log says of changes."""
