"""The Diameter Gy/Ro agent: credit-control requests become charging events, answers become bytes again."""
