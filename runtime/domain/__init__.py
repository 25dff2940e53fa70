"""What an application is made of: messages and folds, nothing that moves."""
