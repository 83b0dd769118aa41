"""The rules of awarding badges: data and functions, standard library only."""
