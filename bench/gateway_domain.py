"""The ledger of the other lines with a face: what the gateway's lines subscribe to, ask and send."""

from bench.domain import Enter, accounts, balances
from runtime.domain import App, anyone, expose, send

app = App("ledger", parts=(accounts, balances), api=(expose(balances, allow=anyone), send(Enter, allow=anyone)))

HOT = "hot"  # the account that everybody follows
CHANGED = "snapshot cursor changed { key revision { generation n } row { account entries total last } } removed { key }"
ALL = f"subscription {{ balanceRows {{ {CHANGED} }} }}"
ONE = f"subscription One($account: String!) {{ balanceRows(where: {{account: {{eq: $account}}}}) {{ {CHANGED} }} }}"
FOLLOW_HOT = f'subscription {{ balanceRows(where: {{account: {{eq: "{HOT}"}}}}) {{ {CHANGED} }} }}'
QUERY = "query One($account: String!) { balance(account: $account) { account entries total last } }"
MUTATION = "mutation Enter($input: EnterInput!) { enter(input: $input) { token } }"
