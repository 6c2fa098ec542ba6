"""kill -9 by the hundred: a launcher of victims, a hostile world, and the promises checked."""
