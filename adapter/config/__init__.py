"""Settings from one TOML file, and the one place where the concrete parts of a deployment meet.

`load` reads the file and finds every fault of it at once: unknown keys with the nearest known one, missing
and mistyped ones, secrets that are not there. `build` reads the folders it names, opens the store, imports
directory, agreements and consents into it, and returns the deployment. Neither guesses: what is wrong stops
the start.
"""

from __future__ import annotations

from adapter.config.build import Content, Deployment, build, patient_of, read_content, readers_of
from adapter.config.settings import FILE, Settings, load

__all__ = [
    "FILE",
    "Content",
    "Deployment",
    "Settings",
    "build",
    "load",
    "patient_of",
    "read_content",
    "readers_of",
]
