"""`habari-local tenant`: several deployments in one cluster, kept apart."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from habari_local.commands.options import AsJson, Meant, Sets, flags
from habari_local.core.console import Result, Table
from habari_local.core.errors import FAILED, USAGE, ConfigError, HabariError

if TYPE_CHECKING:
    from habari_local.platform.mode import Context, Mode
    from habari_local.tenants.isolation import TenantUnderTest

app = typer.Typer(
    help="Several teams' deployments in one cluster.\n\nExample: habari-local tenant list",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The tenant: a folder in tenants/.")]
REFUSED = ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch")
ContextName = Annotated[
    str, typer.Option("--context", metavar="NAME", help="The context of your kubeconfig.")
]


def _of(name: str, context: str, sets: list[str] | None = None) -> tuple[Mode, Context]:
    from habari_local import active_mode

    cluster = {"HABARI_KUBE_CONTEXT": context, "HABARI_TENANT": name}
    return active_mode.from_settings("cluster", flags(sets) | cluster)


@app.command()
def add(
    name: Name,
    answers: Annotated[
        list[str] | None,
        typer.Option("--answer", metavar="NAME=VALUE", help="An answer; repeatable."),
    ] = None,
) -> Result:
    """Create a tenant's folder.

    It needs an --answer each for host, client-id, admins, users, lake and notebooks.

    Example: habari-local tenant add blue --answer host=blue.my-team.org --answer admins=ada
    """
    from habari_local.config.secrets import write_private
    from habari_local.core.paths import find_checkout
    from habari_local.core.yaml11 import dump
    from habari_local.helm_values import tenants

    wrong = [
        f"flag: --answer {pair}: expected NAME=VALUE" for pair in answers or () if "=" not in pair
    ]
    if wrong:
        raise ConfigError(wrong, "habari-local tenant add --help")
    root = find_checkout().root
    tenant = tenants.Tenant(root, name)
    if not tenants.NAME.fullmatch(name) or (tenant.folder / tenants.CONFIG).exists():
        seen = "already exists" if tenant.folder.exists() else "not a name of letters and digits"
        raise HabariError(f"Tenant {name}: {seen}.", "habari-local tenant list", USAGE)
    split = (pair.partition("=") for pair in answers or ())
    values = tenants.values({key: value for key, _, value in split})
    taken = tenants.shared_with(root, name, values)
    if taken:
        raise HabariError(
            f"Tenant {name}: {', '.join(taken)}; tenants share neither hosts nor buckets.",
            "habari-local tenant list",
            USAGE,
        )
    tenant.folder.mkdir(parents=True, exist_ok=True)
    write_private(tenant.folder / tenants.CONFIG, dump(values))
    made, base = [str(tenant.folder / tenants.CONFIG)], root / tenants.FOLDER / tenants.BASE
    if not base.exists():
        write_private(base, (root / "config.dist.yaml").read_text(encoding="utf-8"))
        made.append(f"{base}, from config.dist.yaml: what all tenants share")
    check = f"habari-local config check --base {base} {tenant.folder / tenants.CONFIG}"
    return Result({"made": made}, [*(f"Made {each}." for each in made), f"Next: {check}"])


@app.command("list")
def list_(as_json: AsJson = False) -> Result:
    """List the tenants.

    With their addresses and namespaces.

    Example: habari-local tenant list
    """
    from habari_local.config.load import load
    from habari_local.core.paths import find_checkout
    from habari_local.helm_values import tenants
    from habari_local.modes.cluster.platform import public_url

    root = find_checkout().root
    prefix = load(root).settings.kube_namespace
    rows = [
        (name, public_url(tenants.Tenant(root, name).values()), f"{prefix}-{name}")
        for name in tenants.names(root)
    ]
    heads = ("tenant", "address", "namespace")
    data = [dict(zip(heads, row, strict=True)) for row in rows]
    shown = [Table(heads, rows)] if rows else ["No tenants yet. Try: habari-local tenant add NAME"]
    return Result(data, shown, as_json=as_json)


@app.command()
def up(
    name: Name,
    context: ContextName,
    meant: Meant = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> Result:
    """Bring a tenant up.

    Quota, limits, network policy, and its release; the plan is shown first.

    Example: habari-local tenant up blue --context NAME
    """
    from habari_local.commands.up import run_up

    mode, ctx = _of(name, context, sets)
    return run_up(mode, ctx, plan_only=False, meant=meant, keep=False, as_json=as_json)


@app.command()
def diff(name: Name, context: ContextName, sets: Sets = None, as_json: AsJson = False) -> Result:
    """Show what `tenant up` would change.

    Example: habari-local tenant diff blue --context NAME
    """
    from habari_local.commands.up import run_up

    mode, ctx = _of(name, context, sets)
    return run_up(mode, ctx, plan_only=True, meant=None, keep=False, as_json=as_json)


@app.command()
def down(name: Name, context: ContextName, meant: Meant = None, as_json: AsJson = False) -> Result:
    """Uninstall a tenant; its homes stay.

    So does its namespace.

    Example: habari-local tenant down blue --context NAME --confirm habari-blue
    """
    from habari_local.commands.down import run_down

    mode, ctx = _of(name, context)
    return run_down(mode, ctx, meant=meant, wipe=False, as_json=as_json)


@app.command()
def check(
    context: ContextName,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="One against all others.")] = "",
    everyone: Annotated[bool, typer.Option("--all", help="Each against each.")] = False,
    as_json: AsJson = False,
) -> Result:
    """Test whether tenants can reach each other.

    Hub, pods, secrets, buckets; exit 1 if any can.

    Example: habari-local tenant check --all --context NAME
    """
    from habari_local.core.paths import find_checkout
    from habari_local.helm_values import tenants
    from habari_local.tenants.isolation import findings

    if bool(name) == everyone:
        raise HabariError(
            "Tenants: give one name, or --all.", "habari-local tenant check --help", USAGE
        )
    known = tenants.names(find_checkout().root)
    if name and name not in known:
        tenants.Tenant(find_checkout().root, name).files()
    parties = [_party(each, context) for each in known]
    found = [f for f in findings(parties, _buckets) if everyone or name in (f.tenant, f.other)]
    bad = [each for each in found if not each.good]
    rows = [(each.tenant, each.other, each.tried, each.state, each.outcome) for each in found]
    unknown = [each for each in found if not each.known]
    reached = len(bad) - len(unknown)
    attempts = f"{len(found)} attempt{'s' * (len(found) != 1)}"
    said = f"{attempts}, {reached or 'none'} reached another tenant."
    if unknown:
        said += f" {len(unknown)} could not be tried, so nothing is known of them."
    table = Table(("tenant", "other", "tried", "state", "outcome"), rows)
    data: dict[str, Any] = {"good": not bad, "findings": [asdict(each) for each in found]}
    return Result(data, [table, said], FAILED if bad else 0, as_json=as_json)


def _party(name: str, context: str) -> TenantUnderTest:
    from habari_local.modes.cluster.platform import ClusterPlatform
    from habari_local.tenants.isolation import TenantUnderTest

    mode, ctx = _of(name, context)
    platform = ClusterPlatform(ctx)
    return TenantUnderTest(name, platform, mode.endpoints(ctx), platform.values())


def _buckets(one: TenantUnderTest, other: TenantUnderTest) -> str:
    """Return what a tenant's key may do in another's buckets; "" if nothing.

    Raises:
        NotTriedError: S3 neither let it in nor refused it.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from habari_local.tenants.isolation import NotTriedError

    client, may = one.endpoints.s3.client("aws"), []
    for bucket in (other.endpoints.s3.lake_bucket, other.endpoints.s3.notebooks_bucket):
        try:
            client.list_objects_v2(Bucket=bucket, MaxKeys=1)
            may.append(f"lists {bucket}")
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in REFUSED:
                raise NotTriedError(f"{bucket} answered {code}") from error
        except BotoCoreError as error:
            raise NotTriedError(f"{bucket} did not answer ({type(error).__name__})") from error
    return ", ".join(may)
