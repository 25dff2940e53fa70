"""The studio as people meet it: in a real Chromium, on a real `trimaran dev`."""
