"""The schedule: the timetable, the loop around it, the endpoints to visit, and log lines about changes."""
