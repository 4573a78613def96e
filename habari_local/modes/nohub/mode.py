"""Nohub mode: one notebook server and S3 in Docker Compose, for work on the notebook image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from habari_local.config.render import compose as render
from habari_local.config.secrets import write_changed
from habari_local.identity.users import kinds
from habari_local.modes.nohub.watch import watched
from habari_local.platform.compose import handles, image_steps
from habari_local.platform.compose.mode import ComposeMode
from habari_local.platform.compose.steps import Bringup, again, containers, folders, service
from habari_local.platform.mode import Address, Context, Endpoints, Step
from habari_local.platform.s3_setup import S3Setup


class NohubMode(ComposeMode):
    """A notebook server without a hub, and S3; see the list in `steps`."""

    name = "nohub"
    summary = "Docker Compose with one notebook server and no hub: customising the notebook image"
    s3_backend = "moto"
    s3 = S3Setup("nohub_")
    notes = ("anyone with the link above is in: it holds the server's token",)
    titles: Mapping[str, str] = {"s3": "S3", "notebook": "notebook server"}
    ports: Mapping[str, str] = {"s3": "s3", "notebook": "notebook"}

    def steps(self, ctx: Context) -> Sequence[Step]:
        """Return the bring-up: the server starts with S3 where its key is known already."""
        bringup = Bringup(self.ours(ctx))
        steps = [
            folders(self.name),
            image_steps.step(self.services(ctx)),
            containers(bringup, self.name, _files, ("folders", "images"), _begin_with),
        ]
        after = "folders"
        if "s3" in self.services(ctx):
            steps.append(service(bringup, "s3", self.titles["s3"], self.health(ctx, "s3")))
            after = "s3"
        steps.append(self.s3.step(_tell_server, (after,)))
        steps.append(again(bringup, self.name, ("containers", "buckets")))
        page = self.health(ctx, "notebook")
        steps.append(service(bringup, "notebook", self.titles["notebook"], page, ("server",)))
        return steps

    def endpoints(self, ctx: Context) -> Endpoints:
        """Return where everything is; what people open is the server itself."""
        url = f"http://localhost:{ctx.settings.port('notebook')}"
        return Endpoints(
            mode=self.name,
            hub_url=f"{url}/",
            hub_api_token=ctx.secrets["notebook_token"],
            s3=self.s3.endpoint(ctx),
            users=kinds(ctx.settings),
            github=None,
            services={
                "notebook": Address(url, "http://notebook:8888"),
                **self.s3.addresses(ctx),
            },
            project_path=str(ctx.project_path),
            hub=False,
        )

    def watch(self, ctx: Context) -> Iterator[str]:
        """Follow the files of `jupyter/` and have each edit count; yield what was done."""

        def bring_up() -> None:
            for step in self.steps(ctx):
                step.action(ctx, lambda _: None)

        return watched(ctx, self.ours(ctx), self.health(ctx, "notebook"), bring_up)


def _files(ctx: Context) -> dict[str, str]:
    environment = NohubMode.s3.environment(ctx)
    wanted = image_steps.references(ctx, NohubMode().services(ctx))
    where = handles.render_place(ctx, NohubMode.name, wanted)
    return render.of_nohub_mode(ctx.settings, ctx.secrets, where, environment)


def _begin_with(ctx: Context) -> Sequence[str]:
    """Return S3 alone while the server's key isn't known."""
    return () if NohubMode.s3.has_key(ctx) else ("s3",)


def _tell_server(ctx: Context, _environment: dict[str, str]) -> bool:
    """Write the server's environment anew; return whether it has changed."""
    folder = ctx.checkout.of_mode(NohubMode.name)
    written = [write_changed(folder / name, text) for name, text in _files(ctx).items()]
    return any(written)


MODE = NohubMode()
