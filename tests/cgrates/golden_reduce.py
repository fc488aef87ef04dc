"""Answers of the methods in the reduced form of the recordings: random ids out of them, what is compared left."""

from typing import Any

NO_TIME = "0001-01-01T00:00:00Z"
CDR_MEMBERS = ("OriginID", "RunID", "RequestType", "ToR", "Usage", "Cost", "CostSource", "ExtraInfo")
FLAGS = ("AllowNegative", "Disabled")
ATTRIBUTES = (
    *("DestinationIDs", "Categories", "SharedGroups", "TimingIDs", "Factors", "RatingSubject"),
    *("Disabled", "Blocker"),
)
Form = dict[str, Any]


def _cdr_order(cdr: Form) -> tuple[str, ...]:
    return (cdr["OriginID"], cdr["RunID"], cdr["ToR"], str(cdr["Usage"]))


class Reduce:
    """Remembers which balance a UUID belongs to."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def balances(self, account: Form) -> Form:
        """`{type: [[balance id, value], ...]}`."""
        found: Form = {}
        for kind, balances in sorted((account["BalanceMap"] or {}).items()):
            for balance in balances:
                self._names[balance["Uuid"]] = balance["ID"]
            if balances:
                found[kind] = [[balance["ID"], balance["Value"]] for balance in balances]
        return found

    def account(self, account: Form) -> Form:
        """An account with all attributes that are set, but for the ends of its balances."""
        balances: Form = {}
        for kind, held in sorted((account["BalanceMap"] or {}).items()):
            balances[kind] = [
                {name: balance[name] for name in ("ID", "Value", "Weight")}
                | {name: balance[name] for name in ATTRIBUTES if balance[name]}
                for balance in held
            ]
        return {"balances": balances, **{name: True for name in FLAGS if account[name]}}

    def result(self, method: str, result: Any) -> Any:
        """An answer in the form that is compared."""
        match method:
            case "APIerSv1.GetCost":
                return self._event_cost(result)
            case "Responder.GetCost" | "Responder.Debit" | "Responder.MaxDebit":
                return self._call_cost(result)
            case "CDRsV1.GetCDRs":
                rows = [{name: cdr[name] for name in CDR_MEMBERS} for cdr in result]
                return sorted(rows, key=_cdr_order)
            case "APIerSv2.GetAccount":
                return self.account(result)
            case _:
                return result

    def _event_cost(self, cost: Form) -> Form:
        charges = []
        for charge in cost["Charges"]:
            reduced: Form = {
                "cf": charge["CompressFactor"],
                "inc": [
                    [each["Usage"], each["Cost"], each["CompressFactor"]] for each in charge["Increments"]
                ],
            }
            rating = cost["Rating"].get(charge["RatingID"])
            if rating is not None:
                told = cost["RatingFilters"][rating["RatingFiltersID"]]
                reduced["match"] = {
                    "dest": told["DestinationID"],
                    "prefix": told["DestinationPrefix"],
                    "plan": told["RatingPlanID"],
                    "subject": self._named(told["Subject"]),
                }
            charges.append(reduced)
        return {"Usage": cost["Usage"], "Cost": cost["Cost"], "Charges": charges}

    def _call_cost(self, cost: Form) -> Form:
        spans = [
            {
                "start": span["TimeStart"],
                "end": span["TimeEnd"],
                "idx": span["DurationIndex"],
                "cf": span["CompressFactor"],
                "match": {
                    "dest": span["MatchedDestId"],
                    "prefix": span["MatchedPrefix"],
                    "plan": span["RatingPlanId"],
                    "subject": self._named(span["MatchedSubject"]),
                },
                "inc": [
                    [each["Duration"], each["Cost"], each["CompressFactor"]]
                    for each in span["Increments"] or []
                ],
            }
            for span in cost["Timespans"] or []
        ]
        return {"Cost": cost["Cost"], "RatedUsage": cost["RatedUsage"], "spans": spans}

    def _named(self, subject: str) -> str:
        return self._names.get(subject, subject)
