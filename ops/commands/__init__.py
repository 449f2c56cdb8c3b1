"""The commands of `serveml`: each reads its arguments, calls a part beside this folder, and shows what came of it."""
