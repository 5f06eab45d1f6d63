"""What a resource server asks for: header, challenge, requirement, problem document, and the words of others."""
