"""Whether the tests would notice if what judges were a little different."""
