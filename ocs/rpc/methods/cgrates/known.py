"""The incumbent's methods by service, as far as they are known here; what is not there, and why. Data."""

from collections.abc import Iterator, Mapping

_PROFILES = (
    *(
        "Attribute",
        "Charger",
        "Dispatcher",
        "IP",
        "Ranking",
        "Resource",
        "Route",
        "StatQueue",
        "Threshold",
        "Trend",
    ),
)
_STORED = (
    *(
        "Actions",
        "ActionPlan",
        "ActionTriggers",
        "AccountActions",
        "AttributeProfile",
        "Charger",
        "Destination",
    ),
    *("DestinationRate", "DispatcherHost", "DispatcherProfile", "FilterProfile", "IP", "Ranking", "Rate"),
    *("RatingPlan", "RatingProfile", "Resource", "RouteProfile", "SharedGroups", "Stat", "Threshold"),
    *("Timing", "Trend"),
)
_STORED_LISTS = (
    *("GetTPActionIds", "GetTPActionPlanIds", "GetTPActionTriggerIds", "GetTPAccountActionIds"),
    *("GetTPDestinationIDs", "GetTPDestinationRateIds", "GetTPIds", "GetTPRateIds", "GetTPRatingPlanIds"),
    *("GetTPRatingProfileIds", "GetTPSharedGroupIds", "GetTPTimingIds"),
)
_APIER = (
    *("AddAccountActionTriggers", "AddBalance", "AddTriggeredAction", "BackupDataDB", "BackupStorDB"),
    *("ComputeFilterIndexIDs", "ComputeFilterIndexes", "ComputeReverseDestinations", "DebitBalance"),
    *("DebitUsage", "DebitUsageWithOptions", "DumpDataDB", "DumpStorDB", "ExecuteAction"),
    *("ExecuteScheduledActions", "ExportCDRs", "ExportTPToFolder", "ExportToFolder", "GetAccount"),
    *("GetAccountActionPlan", "GetAccountActionTriggers", "GetAccountCost", "GetAccountIDs", "GetAccounts"),
    *("GetAccountsCount", "GetActionPlan", "GetActionPlanCount", "GetActionPlanIDs", "GetActionTriggers"),
    *("GetActions", "GetActionsCount", "GetAttributeProfileCount", "GetCDRs", "GetChargerProfileCount"),
    *("GetCost", "GetDataCost", "GetDestination", "GetDispatcherHost", "GetDispatcherHostIDs"),
    *("GetEventCost", "GetFilter", "GetFilterCount", "GetFilterIDs", "GetFilterIndexes", "GetMaxUsage"),
    *(
        "GetRatingPlan",
        "GetRatingPlanIDs",
        "GetRatingProfile",
        "GetRatingProfileIDs",
        "GetReverseDestination",
    ),
    *("GetScheduledActions", "GetSharedGroup", "GetThresholdProfileCount", "GetTiming"),
    *("ImportTariffPlanFromFolder", "LoadAccountActions", "LoadDestination", "LoadRatingPlan"),
    *("LoadRatingProfile", "LoadSharedGroup", "LoadTariffPlanFromFolder", "LoadTariffPlanFromStorDb", "Ping"),
    *("RemTP", "RemoveAccount", "RemoveAccountActionTriggers", "RemoveActionPlan", "RemoveActionTiming"),
    *("RemoveActionTrigger", "RemoveActions", "RemoveBalances", "RemoveCDRs", "RemoveDestination"),
    *(
        "RemoveDispatcherHost",
        "RemoveFilter",
        "RemoveFilterIndexes",
        "RemoveRatingPlan",
        "RemoveRatingProfile",
    ),
    *("RemoveTPFromFolder", "RemoveTPFromStorDB", "RemoveTiming", "ReplayFailedPosts"),
    *(
        "ReplayFailedReplications",
        "ResetAccountActionTriggers",
        "RestoreDataDB",
        "RewriteDataDB",
        "RewriteStorDB",
    ),
    *(
        "SetAccount",
        "SetAccountActionTriggers",
        "SetActionPlan",
        "SetActionTrigger",
        "SetActions",
        "SetBalance",
    ),
    *(
        "SetBalances",
        "SetDestination",
        "SetDispatcherHost",
        "SetFilter",
        "SetRatingProfile",
        "SetSharedGroup",
    ),
    *("SetTiming", "SnapshotDataDB", "TimingIsActiveAt", "TransferBalance"),
    *(
        f"{verb}{word}Profile{end}"
        for word in _PROFILES
        for verb, end in (("Set", ""), ("Get", ""), ("Remove", ""))
    ),
    *(f"Get{word}ProfileIDs" for word in _PROFILES),
    *(f"{verb}TP{word}" for word in _STORED for verb in ("Set", "Get", "Remove")),
    *_STORED_LISTS,
)
_V2 = (
    *(
        "CountCDRs",
        "GetAccount",
        "GetAccounts",
        "GetAccountsCount",
        "GetActions",
        "GetCDRs",
        "GetDestinations",
    ),
    *("LoadTariffPlanFromFolder", "Ping", "RemoveActions", "SetAccount", "SetActions", "SetAttributeProfile"),
    *("SetBalance", "SetTPDestination", "SetTPTiming"),
)

SERVICES: Mapping[str, tuple[str, ...]] = {
    "SessionSv1": (
        *("ActivateSessions", "AlterSessions", "AuthorizeEvent", "AuthorizeEventWithDigest"),
        *(
            "BackupActiveSessions",
            "DeactivateSessions",
            "DisconnectPeer",
            "ForceDisconnect",
            "GetActiveSessions",
        ),
        *("GetActiveSessionsCount", "GetCost", "GetPassiveSessions", "GetPassiveSessionsCount"),
        *("InitiateSession", "InitiateSessionWithDigest", "Ping", "ProcessCDR", "ProcessEvent"),
        *("ProcessMessage", "RegisterInternalBiJSONConn", "ReplicateSessions", "STIRAuthenticate"),
        *("STIRIdentity", "SetPassiveSession", "Sleep", "SyncSessions", "TerminateSession", "UpdateSession"),
    ),
    "SMGenericV1": ("GetMaxUsage", "InitiateSession", "ProcessCDR", "TerminateSession", "UpdateSession"),
    "CDRsV1": (
        *("GetCDRs", "GetCDRsCount", "Ping", "ProcessCDR", "ProcessEvent", "ProcessEvents"),
        *("ProcessExternalCDR", "RateCDRs", "ReprocessCDRs", "StoreSessionCost"),
    ),
    "CDRsV2": ("ProcessEvent", "StoreSessionCost"),
    "APIerSv1": _APIER,
    "APIerSv2": _V2,
    "Responder": (
        *("Debit", "DebitMonetary", "GetCost", "GetCostOnRatingPlans", "GetMaxSessionTime"),
        *(
            "GetMaxSessionTimeOnAccounts",
            "MaxDebit",
            "Ping",
            "RefundIncrements",
            "RefundRounding",
            "Shutdown",
        ),
    ),
    "RALsV1": ("GetRatingPlansCost", "Ping"),
    "SchedulerSv1": ("ExecuteActionPlans", "ExecuteActions", "Ping", "Reload"),
    "AttributeSv1": ("GetAttributeForEvent", "Ping", "ProcessEvent"),
    "ChargerSv1": ("GetChargersForEvent", "Ping", "ProcessEvent"),
    "ResourceSv1": (
        *("AllocateResources", "AuthorizeResources", "GetResource", "GetResourceWithConfig"),
        *("GetResourcesForEvent", "Ping", "ReleaseResources"),
    ),
    "IPsV1": (
        *("AllocateIP", "AuthorizeIP", "ClearIPAllocations", "GetIPAllocationForEvent", "GetIPAllocations"),
        *("Ping", "ReleaseIP"),
    ),
    "RouteSv1": ("GetRouteProfilesForEvent", "GetRoutes", "GetRoutesList", "Ping"),
    "StatSv1": (
        *("GetQueueFloatMetrics", "GetQueueIDs", "GetQueueStringMetrics", "GetStatQueue"),
        *("GetStatQueuesForEvent", "Ping", "ProcessEvent", "ResetStatQueue"),
    ),
    "ThresholdSv1": (
        *(
            "GetThreshold",
            "GetThresholdIDs",
            "GetThresholdsForEvent",
            "Ping",
            "ProcessEvent",
            "ResetThreshold",
        ),
    ),
    "TrendSv1": ("GetScheduledTrends", "GetTrend", "GetTrendSummary", "Ping", "ScheduleQueries"),
    "RankingSv1": ("GetRanking", "GetRankingSummary", "GetSchedule", "Ping", "ScheduleQueries"),
    "EeSv1": ("Ping", "ProcessEvent", "ResetExporterMetrics"),
    "ErSv1": ("Ping", "RunReader"),
    "CacheSv1": (
        *("Clear", "FlushCache", "GetCacheStats", "GetGroupItemIDs", "GetGroupItems", "GetItem"),
        *("GetItemExpiryTime", "GetItemIDs", "GetItemWithRemote", "HasGroup", "HasItem", "LoadCache", "Ping"),
        *("PrecacheStatus", "ReloadCache", "RemoveGroup", "RemoveItem", "RemoveItems", "ReplicateRemove"),
        *("ReplicateSet",),
    ),
    "ConfigSv1": ("GetConfig", "GetConfigAsJSON", "Ping", "ReloadConfig", "SetConfig", "SetConfigFromJSON"),
    "CoreSv1": (
        *("Panic", "Ping", "Sleep", "StartCPUProfiling", "StartMemoryProfiling", "Status"),
        *("StopCPUProfiling", "StopMemoryProfiling"),
    ),
    "GuardianSv1": ("Ping", "RemoteLock", "RemoteUnlock"),
    "ServiceManagerV1": ("Ping", "ServiceStatus", "StartService", "StopService"),
    "LoaderSv1": ("Load", "Ping", "Remove"),
    "AnalyzerSv1": ("Ping", "StringQuery"),
    "DispatcherSv1": (
        "GetProfilesForEvent",
        "Ping",
        "RemoteLock",
        "RemotePing",
        "RemoteSleep",
        "RemoteStatus",
    ),
    "ReplicatorSv1": ("Ping", "(93 more)"),
}

STORED_BY_IMPORT = "profiles are not stored one by one; ImportTariffPlanFromFolder stores their rows"
# Why a method, or a whole service, is not there; the longest beginning of a name counts.
REASONS: Mapping[str, str] = {
    "APIerSv1.BackupDataDB": "the store is one file; copy it while the server runs, with SQLite's own tools",
    "APIerSv1.BackupStorDB": "the store is one file; copy it while the server runs, with SQLite's own tools",
    "APIerSv1.DumpDataDB": "every change is on disk before it is answered; there is nothing to dump",
    "APIerSv1.DumpStorDB": "every change is on disk before it is answered; there is nothing to dump",
    "APIerSv1.RewriteDataDB": "the store keeps no history of changes that would have to be rewritten",
    "APIerSv1.RewriteStorDB": "the store keeps no history of changes that would have to be rewritten",
    "APIerSv1.SnapshotDataDB": "the store is one file; copy it while the server runs, with SQLite's own tools",
    "APIerSv1.RestoreDataDB": "the store is one file: put the copy in its place and start the server",
    "APIerSv1.ReplayFailedReplications": "nothing is replicated",
    "APIerSv1.GetFilterIndexes": "indexes are made in memory from the profiles; there is none to show",
    "APIerSv1.GetDispatcher": "there is one process; requests are not dispatched",
    "APIerSv1.SetDispatcher": "there is one process; requests are not dispatched",
    "APIerSv1.RemoveDispatcher": "there is one process; requests are not dispatched",
    "APIerSv1.GetTPDispatcher": "there is one process; requests are not dispatched",
    "APIerSv1.SetTPDispatcher": "there is one process; requests are not dispatched",
    "APIerSv1.RemoveTPDispatcher": "there is one process; requests are not dispatched",
    "APIerSv1.GetTP": STORED_BY_IMPORT,
    "APIerSv1.SetTP": STORED_BY_IMPORT,
    "APIerSv1.RemoveTP": STORED_BY_IMPORT,
    "Responder.Shutdown": "a request does not stop the server; SIGTERM does",
    "CoreSv1.Panic": "a request does not kill the server",
    "CoreSv1.StartMemoryProfiling": "Python's memory has other tools",
    "CoreSv1.StopMemoryProfiling": "Python's memory has other tools",
    "SessionSv1.ReplicateSessions": "nothing is replicated between servers",
    "CacheSv1.GetGroupItems": "records are not kept in groups",
    "Responder.DebitMonetary": "APIerSv1.DebitBalance takes money without rating",
    "LoaderSv1": "folders are loaded by LoadTariffPlanFromFolder",
    "AnalyzerSv1": "requests are not recorded for analysis; the audit log has the administrative ones",
    "DispatcherSv1": "there is one process; requests are not dispatched",
    "ReplicatorSv1": "nothing is replicated between servers",
}


def names() -> Iterator[str]:
    """Every known method."""
    for service, methods in SERVICES.items():
        for method in sorted(set(methods)):
            yield f"{service}.{method}"


def reason(name: str) -> str:
    """Why a method is not there."""
    found = (REASONS[name[:end]] for end in range(len(name), 0, -1) if name[:end] in REASONS)
    return next(found, "not offered yet")
