"""What a Python sandbox is made of: `frames` on the wire, a `function` behind them, `serve` between the two."""
