//! The description of a kind's five endpoints, which are generic: so is what is said of them.

use std::collections::BTreeMap;

use lockstep_api::blast_radius::BlastRadius;
use lockstep_api::manifest::{Condition, List, ListMetadata, Manifest, Metadata};
use lockstep_api::problem::{PROBLEM_JSON, Problem};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ArrayBuilder, Object, Type};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Required, Schema};
use utoipa::{IntoParams, PartialSchema as _, ToSchema};

use super::Resource;
use super::answer::{PLACEMENTS_CHANGED, RESULT};
use crate::rest::query::{ListQuery, WriteQuery};

/// Adds the kind's endpoints and schemas to the document.
pub(crate) fn describe<K: Resource>(document: &mut OpenApi) {
    let tag = TagBuilder::new().name(K::PLURAL).description(Some(K::ABOUT)).build();
    document.tags.get_or_insert_default().push(tag);
    let schemas = &mut document.components.get_or_insert_default().schemas;
    schemas.insert(K::KIND.to_owned(), Manifest::<K::Spec, K::Status>::schema());
    schemas.insert(list_name::<K>(), list_schema::<K>());
    part::<K::Spec>(schemas);
    part::<K::Status>(schemas);
    part::<BlastRadius>(schemas);
    tried::<K>(schemas);
    part::<Problem>(schemas);
    part::<Metadata>(schemas);
    part::<ListMetadata>(schemas);
    part::<Condition>(schemas);

    let (all, one) = (format!("/v1/{}", K::PLURAL), format!("/v1/{}/{{name}}", K::PLURAL));
    let paths = &mut document.paths;
    paths.add_path_operation(&all, vec![HttpMethod::Get], list::<K>());
    paths.add_path_operation(&all, vec![HttpMethod::Post], create::<K>());
    paths.add_path_operation(&one, vec![HttpMethod::Get], get::<K>());
    paths.add_path_operation(&one, vec![HttpMethod::Put], put::<K>());
    paths.add_path_operation(&one, vec![HttpMethod::Delete], delete::<K>());
}

/// A schema and all that it refers to.
fn part<T: ToSchema>(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    schemas.insert(T::name().into_owned(), T::schema());
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    schemas.extend(parts);
}

/// What the status says more in the answer to a write that is only tried.
fn tried<K: Resource>(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    if let Some(RefOr::T(Schema::Object(status))) = schemas.get_mut(K::Status::name().as_ref()) {
        status.properties.insert("blastRadius".to_owned(), Ref::from_schema_name(BlastRadius::name()).into());
    }
}

fn list_name<K: Resource>() -> String {
    format!("{}List", K::KIND)
}

/// A list's own schema names its items only as far as their generic type.
fn list_schema<K: Resource>() -> RefOr<Schema> {
    let mut schema = List::<Manifest<K::Spec, K::Status>>::schema();
    if let RefOr::T(Schema::Object(list)) = &mut schema {
        let items = ArrayBuilder::new().description(Some("This page.")).items(Ref::from_schema_name(K::KIND));
        list.properties.insert("items".to_owned(), items.into());
    }
    schema
}

fn operation<K: Resource>(verb: &str, plural: bool, summary: &str) -> OperationBuilder {
    let id = format!("{verb}{}{}", K::KIND, if plural { "s" } else { "" });
    let problem = ResponseBuilder::new().description("A problem").content(PROBLEM_JSON, content(&Problem::name()));
    OperationBuilder::new().tag(K::PLURAL).operation_id(Some(id)).summary(Some(summary)).response("default", problem)
}

fn list<K: Resource>() -> Operation {
    let parameters = ListQuery::into_params(|| Some(ParameterIn::Query));
    let page = ResponseBuilder::new().description("One page, by name").content("application/json", content(&list_name::<K>()));
    operation::<K>("list", true, &format!("List {}", K::PLURAL)).parameters(Some(parameters)).response("200", page).build()
}

fn create<K: Resource>() -> Operation {
    operation::<K>("create", false, &format!("Create a {}", K::SINGULAR))
        .description(Some("Refused if one of that name is there already. With `dryRun=All` the answer's `status.blastRadius` says how far it would reach."))
        .parameters(Some(WriteQuery::into_params(|| Some(ParameterIn::Query))))
        .request_body(Some(body::<K>()))
        .response("201", written::<K>("It is new"))
        .build()
}

fn get<K: Resource>() -> Operation {
    operation::<K>("get", false, &format!("Show a {}", K::SINGULAR))
        .parameter(name::<K>())
        .response("200", shown::<K>("As it is wanted and as it is"))
        .build()
}

fn put<K: Resource>() -> Operation {
    let about = "Where nothing differs nothing is written, and the history has no entry. `metadata.resourceVersion`, or `If-Match`, says what \
                 the caller last saw: if somebody else wrote it since, the write is refused. With `dryRun=All` the answer's \
                 `status.blastRadius` says how far the write would reach.";
    operation::<K>("put", false, &format!("Create or replace a {}", K::SINGULAR))
        .description(Some(about))
        .parameter(name::<K>())
        .parameters(Some(WriteQuery::into_params(|| Some(ParameterIn::Query))))
        .parameter(if_match())
        .request_body(Some(body::<K>()))
        .response("200", written::<K>("It was there; `lockstep-result` says whether it is another now"))
        .response("201", written::<K>("It is new"))
        .build()
}

fn delete<K: Resource>() -> Operation {
    operation::<K>("delete", false, &format!("Delete a {}", K::SINGULAR))
        .parameter(name::<K>())
        .parameters(Some(K::DeleteQuery::into_params(|| Some(ParameterIn::Query))))
        .parameter(if_match())
        .description(Some("With `dryRun=All` its `status.blastRadius` says how far that would reach."))
        .response("200", shown::<K>("What it was, or is while it is being removed"))
        .build()
}

fn content(schema: &str) -> Content {
    Content::new(Some(RefOr::<Schema>::Ref(Ref::from_schema_name(schema))))
}

fn text() -> Object {
    Object::with_type(Type::String)
}

fn name<K: Resource>() -> Parameter {
    let about = format!("The {}'s name", K::SINGULAR);
    let parameter = ParameterBuilder::new().name("name").parameter_in(ParameterIn::Path).required(Required::True);
    parameter.description(Some(about)).schema(Some(text())).build()
}

fn if_match() -> Parameter {
    let about = "The `ETag` that the caller last saw, or `*`: it must be there";
    let parameter = ParameterBuilder::new().name("If-Match").parameter_in(ParameterIn::Header).required(Required::False);
    parameter.description(Some(about)).schema(Some(text())).build()
}

fn body<K: Resource>() -> RequestBody {
    let body = RequestBodyBuilder::new().description(Some("The manifest; its `status` is ignored"));
    body.content("application/json", content(K::KIND)).required(Some(Required::True)).build()
}

fn shown<K: Resource>(about: &str) -> Response {
    let tag = HeaderBuilder::new().description(Some("The `resourceVersion`, for `If-Match`")).schema(Some(text())).build();
    ResponseBuilder::new().description(about).content("application/json", content(K::KIND)).header("ETag", tag).build()
}

fn written<K: Resource>(about: &str) -> Response {
    let mut response = shown::<K>(about);
    let result = HeaderBuilder::new().description(Some("`created`, `configured` or `unchanged`")).schema(Some(text())).build();
    let reach = "How many placements changed, or would";
    let reach = HeaderBuilder::new().description(Some(reach)).schema(Some(Object::with_type(Type::Integer))).build();
    response.headers.insert(RESULT.to_string(), result.into());
    response.headers.insert(PLACEMENTS_CHANGED.to_string(), reach.into());
    response
}
