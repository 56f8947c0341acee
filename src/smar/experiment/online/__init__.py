"""What an online test comes to: orders, money and clicks by arm, with what can be said for sure."""
