"""/organizations: who owns tenants and has people of its own.  Made and changed by the operators of the service."""

from fastapi import APIRouter
from pydantic import Field

from admin.api.derived import patch_of, view_of
from admin.api.resources.routes import Routes
from admin.commands.directory import ORGANIZATIONS
from admin.fields import Body, Name
from tenancy.directory.organizations import NewOrganization, Organization, Plan

router = APIRouter(prefix="/organizations", tags=["organizations"])


class OrganizationBody(Body):
    """The fields of a new organization."""

    name: Name = Field(examples=["acme"])
    plan: Plan = Field(Plan.FREE, description="`free`: 3 tenants, `scale`: 100, `enterprise`: any number")


OrganizationPatch = patch_of(
    OrganizationBody, "OrganizationPatch", "The fields to change.  A smaller plan takes no tenant away."
)
OrganizationView = view_of(Organization, "OrganizationView", "An organization.")

routes = Routes(router, ORGANIZATIONS, "organization", OrganizationView)
routes.create(OrganizationBody, NewOrganization, "Creates an organization; its name must be unique.")
routes.list("organizations", "A page of organizations, by name.", "Lists organizations by name.")
routes.show("Shows an organization.")
routes.update("PATCH", OrganizationPatch, "Changes the fields given.")
routes.delete("Deletes an organization without tenants, with its accounts.")
