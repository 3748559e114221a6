using System.Globalization;
using Buoy.Membership.Quorum;

namespace Buoy.Membership.Host;

/// <content>
/// expected_votes_tracking (votequorum(5)): the highest expected votes ever seen, in <c>ev_tracking</c> of the state
/// folder; and the seam of a quorum device.
/// </content>
public sealed partial class RingEngine
{
    private int _tracked;
    private string _trackingFile = "";

    /// <summary>The quorum device's provider reports; the other members are told.</summary>
    public void SetDevice(QuorumDevice device)
    {
        if (_quorum is null || _disposed || _quorum.Device == device)
        {
            return;
        }

        ChangeQuorum(q => q.SetDevice(device));
        _packer!.TryAdd(KindQuorumRecord, SyncRecord.EncodeQuorum(_quorum.MyRecord));
        _core!.OnMessageQueued(Buoy.Linux.EventLoop.Now);
        Perform();
    }

    private int LoadExpected(string folder)
    {
        _trackingFile = Path.Combine(folder, "ev_tracking");
        if (!_config.Quorum.ExpectedVotesTracking || !File.Exists(_trackingFile))
        {
            return 0;
        }

        string text = File.ReadAllText(_trackingFile).Trim();
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out _tracked) ? _tracked
            : throw new IOException($"{_trackingFile}: '{text}'; expected a number of votes. Remove it to begin anew");
    }

    private void TrackExpected()
    {
        if (!_config.Quorum.ExpectedVotesTracking || _quorum!.HighestEver <= _tracked)
        {
            return;
        }

        try
        {
            string beside = _trackingFile + ".new";
            File.WriteAllText(beside, _quorum.HighestEver.ToString(CultureInfo.InvariantCulture) + "\n");
            File.Move(beside, _trackingFile, overwrite: true);
            _tracked = _quorum.HighestEver;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _options.Log(true, $"{_trackingFile}: {e.Message} Expected votes are not tracked.");
        }
    }
}
