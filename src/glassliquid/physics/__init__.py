"""The mixture, its protocol, and the engines that simulate it."""
