"""A ceremony from start to outcome: who may begin, what is asked, what is counted, what follows."""
