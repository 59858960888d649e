"""One probe, and the timetable of all of them."""
