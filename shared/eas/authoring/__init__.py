"""Task types as their authors write them. `eas` exports what is stable."""
