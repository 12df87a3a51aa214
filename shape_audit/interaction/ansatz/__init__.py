"""The Neural Feature Ansatz: the weights' own interaction beside that of the gradients which feed them."""
