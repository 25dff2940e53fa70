"""How the shop likes to be looked at: what was sold, minute by minute and product by product."""

from runtime.domain.looks import Chart

looks = (
    Chart(part="sales", title="Sales over time", value="amount", unit="cents"),
    Chart(part="sales", title="Sales by product", value="amount", by="sku", unit="cents"),
)
