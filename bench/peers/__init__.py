"""What Trimaran is compared with: other people's libraries as their documentation says, and bare loops as one would write by hand."""
