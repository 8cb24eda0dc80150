"""The tests mirror the rooms; journeys walk from door to acknowledgement."""
