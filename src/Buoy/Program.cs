return Buoy.Composition.Commands.Run(args);
