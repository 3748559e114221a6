using Buoy.Lab;

return args switch
{
    ["lab", ..] => LabRoles.Run(args[1..]),
    ["demo", ..] => Buoy.Demo.DemoCommand.Run(args[1..]),
    _ => 64,
};
