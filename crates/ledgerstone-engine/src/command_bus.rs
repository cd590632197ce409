//! The command bus: finds the one handler of a command by the command's type.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use ledgerstone_core::{BackendError, ErrorKind};

use crate::context::Context;

/// A wish that the bus carries, and what answers it.
pub trait Command: Send + 'static {
    /// What a handler answers.
    type Answer: Send + 'static;
    /// Why a handler did not do it. A missing handler is reported as a [`BackendError`].
    type Error: From<BackendError> + Send + 'static;
}

/// Handles the commands of one type.
#[async_trait]
pub trait Handles<C: Command>: Send + Sync + 'static {
    /// Does what the command asks for.
    async fn handle(&self, command: C, context: &Context) -> Result<C::Answer, C::Error>;
}

/// Carries each command to the handler that was registered for its type.
///
/// A cheap handle: clone it freely.
#[doc(alias = "ICommandBus")]
#[derive(Clone, Default)]
pub struct CommandBus {
    handlers: Arc<HashMap<TypeId, Registered>>,
}

struct Registered {
    command: &'static str,
    handler: Box<dyn Any + Send + Sync>,
}

/// Two handlers were registered for one type of command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the command {0} has a handler already; register one")]
pub struct HandledTwice(pub &'static str);

/// Collects handlers.
#[derive(Default)]
pub struct CommandBusBuilder {
    handlers: HashMap<TypeId, Registered>,
}

impl CommandBusBuilder {
    /// Registers the handler of a type of command; a second one is refused.
    pub fn register<C: Command>(mut self, handler: impl Handles<C>) -> Result<Self, HandledTwice> {
        let handler: Arc<dyn Handles<C>> = Arc::new(handler);
        let registered = Registered { command: type_name::<C>(), handler: Box::new(handler) };
        match self.handlers.insert(TypeId::of::<C>(), registered) {
            Some(registered) => Err(HandledTwice(registered.command)),
            None => Ok(self),
        }
    }

    /// Builds the bus.
    pub fn build(self) -> CommandBus {
        CommandBus { handlers: Arc::new(self.handlers) }
    }
}

impl CommandBus {
    /// Begins without handlers.
    pub fn builder() -> CommandBusBuilder {
        CommandBusBuilder::default()
    }

    /// Returns the commands that are handled, by the names of their types, sorted.
    pub fn commands(&self) -> Vec<&'static str> {
        let mut commands: Vec<_> = self.handlers.values().map(|registered| registered.command).collect();
        commands.sort_unstable();
        commands
    }

    /// Carries a command to its handler and returns the answer.
    pub async fn dispatch<C: Command>(&self, command: C, context: &Context) -> Result<C::Answer, C::Error> {
        let registered = self.handlers.get(&TypeId::of::<C>());
        let handler =
            registered.and_then(|registered| registered.handler.downcast_ref::<Arc<dyn Handles<C>>>());
        match handler {
            Some(handler) => handler.handle(command, context).await,
            None => {
                let message = format!("no handler is registered for {}; register one", type_name::<C>());
                Err(BackendError::new(ErrorKind::Misconfigured, "command bus", "dispatch", message).into())
            }
        }
    }
}

impl fmt::Debug for CommandBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CommandBus").field(&self.commands()).finish()
    }
}

impl fmt::Debug for CommandBusBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandBusBuilder").field("handlers", &self.handlers.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Greet(&'static str);

    impl Command for Greet {
        type Answer = String;
        type Error = BackendError;
    }

    struct Unhandled;

    impl Command for Unhandled {
        type Answer = ();
        type Error = BackendError;
    }

    struct Greeter;

    #[async_trait]
    impl Handles<Greet> for Greeter {
        async fn handle(&self, Greet(name): Greet, context: &Context) -> Result<String, BackendError> {
            Ok(format!("hello {name} from {}", context.metadata.actor.as_deref().unwrap_or("nobody")))
        }
    }

    #[tokio::test]
    async fn a_command_reaches_the_handler_of_its_type() {
        let bus = CommandBus::builder().register(Greeter).expect("one").build();
        let context = Context::new().actor("u-7");
        assert_eq!(bus.dispatch(Greet("Ada"), &context).await.expect("greets"), "hello Ada from u-7");
        let error = bus.dispatch(Unhandled, &context).await.expect_err("nobody");
        assert!(error.to_string().contains("Unhandled"), "{error}");
    }

    #[test]
    fn a_second_handler_of_one_command_is_refused() {
        let twice = CommandBus::builder().register(Greeter).and_then(|bus| bus.register(Greeter));
        assert!(twice.is_err_and(|error| error.to_string().contains("Greet")));
    }
}
