"""The catalogue against the types of the official SDK: what has drifted apart."""
